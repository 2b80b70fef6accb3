-- What the tables hold and why they are so is described in the crate's documentation.
-- Times are microseconds since 1970 (UTC); the views at the end show them as timestamps.
-- Texts that are compared are bytes, or ASCII in the order of its codes, whatever collation the
-- database has: collations of Unicode disregard spaces at the end, among others.

CREATE TABLE IF NOT EXISTS crm_meta (
    name  VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    value BIGINT      NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A commit holds a shared lock on its tenant's row, and an edit of the rules an exclusive one. What
-- commits are checked by stands in this row, as a lock shows the row as it is when it is granted.
-- The statuses are a list in JSON.
CREATE TABLE IF NOT EXISTS crm_tenants (
    tenant    BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name      VARBINARY(128) NOT NULL,
    lifecycle BIGINT,
    statuses  TEXT           CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    UNIQUE KEY crm_tenants_name (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every version of the rules; the one in force is the last.
CREATE TABLE IF NOT EXISTS crm_lifecycles (
    tenant  BIGINT     NOT NULL,
    version BIGINT     NOT NULL,
    rules   MEDIUMTEXT NOT NULL,
    PRIMARY KEY (tenant, version),
    CONSTRAINT crm_lifecycles_tenant FOREIGN KEY (tenant) REFERENCES crm_tenants (tenant)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The statuses of the rules in force.
CREATE TABLE IF NOT EXISTS crm_statuses (
    tenant      BIGINT      NOT NULL,
    slug        VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    number      BIGINT      NOT NULL,
    position    BIGINT      NOT NULL,
    name        VARCHAR(50) NOT NULL,
    colour      VARCHAR(7)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind        VARCHAR(4)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    probability BIGINT      NOT NULL,
    stuck_after BIGINT,
    retiring_to VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin,
    PRIMARY KEY (tenant, slug),
    CONSTRAINT crm_statuses_tenant FOREIGN KEY (tenant) REFERENCES crm_tenants (tenant),
    CONSTRAINT crm_statuses_kind CHECK (kind IN ('open', 'won', 'lost'))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS crm_transitions (
    tenant      BIGINT      NOT NULL,
    from_status VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    to_status   VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (tenant, from_status, to_status),
    KEY crm_transitions_to (tenant, to_status),
    CONSTRAINT crm_transitions_from_status FOREIGN KEY (tenant, from_status)
        REFERENCES crm_statuses (tenant, slug) ON DELETE CASCADE,
    CONSTRAINT crm_transitions_to_status FOREIGN KEY (tenant, to_status)
        REFERENCES crm_statuses (tenant, slug) ON DELETE CASCADE
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS crm_leads (
    tenant            BIGINT          NOT NULL,
    id                BINARY(16)      NOT NULL,
    version           BIGINT          NOT NULL,
    status            VARCHAR(40)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    assigned_to       VARBINARY(128),
    source            VARCHAR(40)     CHARACTER SET ascii COLLATE ascii_bin,
    created_at        BIGINT          NOT NULL,
    updated_at        BIGINT          NOT NULL,
    status_changed_at BIGINT          NOT NULL,
    archived_at       BIGINT,
    archived          BOOLEAN         NOT NULL,
    value_currency    VARCHAR(3)      CHARACTER SET ascii COLLATE ascii_bin,
    value_minor       BIGINT,
    name_sort         VARBINARY(128),
    company_sort      VARBINARY(128),
    email_sort        VARBINARY(128),
    email_key         VARBINARY(2800),
    first_name        VARCHAR(100),
    last_name         VARCHAR(100),
    email             VARCHAR(254),
    company           VARCHAR(200),
    phone             VARCHAR(40),
    tags              TEXT,
    words             BLOB            NOT NULL,
    status_reason     VARCHAR(500),
    notes             TEXT,
    custom            TEXT,
    PRIMARY KEY (tenant, id),
    KEY crm_leads_created          (tenant, archived, created_at, id),
    KEY crm_leads_created_status   (tenant, status, archived, created_at, id),
    KEY crm_leads_created_assignee (tenant, archived, assigned_to, created_at, id),
    KEY crm_leads_created_both     (tenant, archived, assigned_to, status, created_at, id),
    KEY crm_leads_created_source   (tenant, archived, source, created_at, id),
    KEY crm_leads_created_email    (tenant, archived, email_key, created_at, id),
    KEY crm_leads_updated          (tenant, archived, updated_at, id),
    KEY crm_leads_updated_status   (tenant, status, archived, updated_at, id),
    KEY crm_leads_updated_assignee (tenant, archived, assigned_to, updated_at, id),
    KEY crm_leads_updated_both     (tenant, archived, assigned_to, status, updated_at, id),
    KEY crm_leads_changed          (tenant, archived, status_changed_at, id),
    KEY crm_leads_changed_status   (tenant, status, archived, status_changed_at, id),
    KEY crm_leads_name             (tenant, archived, name_sort, id),
    KEY crm_leads_company          (tenant, archived, company_sort, id),
    KEY crm_leads_email            (tenant, archived, email_sort, id),
    KEY crm_leads_value            (tenant, archived, value_currency, value_minor, id),
    KEY crm_leads_status           (tenant, status, archived, id),
    CONSTRAINT crm_leads_in_status FOREIGN KEY (tenant, status)
        REFERENCES crm_statuses (tenant, slug),
    CONSTRAINT crm_leads_archived CHECK (archived = (archived_at IS NOT NULL)),
    CONSTRAINT crm_leads_money CHECK ((value_currency IS NULL) = (value_minor IS NULL))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A lead's tags by their keys, in created order.
CREATE TABLE IF NOT EXISTS crm_tags (
    tenant     BIGINT         NOT NULL,
    archived   BOOLEAN        NOT NULL,
    tag        VARBINARY(128) NOT NULL,
    created_at BIGINT         NOT NULL,
    id         BINARY(16)     NOT NULL,
    PRIMARY KEY (tenant, archived, tag, created_at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The words that a lead is found by.
CREATE TABLE IF NOT EXISTS crm_words (
    tenant   BIGINT        NOT NULL,
    archived BOOLEAN       NOT NULL,
    word     VARBINARY(64) NOT NULL,
    id       BINARY(16)    NOT NULL,
    PRIMARY KEY (tenant, archived, word, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Totals: high * 10^18 + low, as sums of money outgrow 64 bits. What a counter stands at is this
-- and the sum of its deltas.
CREATE TABLE IF NOT EXISTS crm_counters (
    tenant BIGINT         NOT NULL,
    `key`  VARBINARY(255) NOT NULL,
    high   BIGINT         NOT NULL,
    low    BIGINT         NOT NULL,
    PRIMARY KEY (tenant, `key`)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What commits add. Nobody waits for anybody to append; now and then somebody folds them into the
-- counters.
CREATE TABLE IF NOT EXISTS crm_deltas (
    tenant BIGINT         NOT NULL,
    entry  BIGINT         NOT NULL AUTO_INCREMENT,
    `key`  VARBINARY(255) NOT NULL,
    high   BIGINT         NOT NULL,
    low    BIGINT         NOT NULL,
    PRIMARY KEY (tenant, `key`, entry),
    KEY crm_deltas_entry (entry)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row for each version of a lead. An entry is drawn while its lead is locked, a number when the
-- event is first read after it was committed: the numbers are the order of the feed. Only who holds
-- the feed's row in crm_feeds gives numbers, so none is given twice.
CREATE TABLE IF NOT EXISTS crm_events (
    tenant        BIGINT       NOT NULL,
    `lead`        BINARY(16)   NOT NULL,
    version       BIGINT       NOT NULL,
    entry         BIGINT       NOT NULL AUTO_INCREMENT,
    number        BIGINT,
    at            BIGINT       NOT NULL,
    actor         VARCHAR(128),
    commit_id     BINARY(16)   NOT NULL,
    kind          VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    from_status   VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin,
    to_status     VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin,
    from_user     VARCHAR(128),
    to_user       VARCHAR(128),
    reason        VARCHAR(500),
    fields        MEDIUMTEXT,
    changes       MEDIUMTEXT,
    PRIMARY KEY (tenant, `lead`, version),
    KEY crm_events_entry (entry),
    -- Those without a number come first, by their entries.
    KEY crm_events_feed (tenant, number, entry)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The last number of a tenant's feed. Whoever numbers holds the row.
CREATE TABLE IF NOT EXISTS crm_feeds (
    tenant BIGINT NOT NULL PRIMARY KEY,
    last   BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Whoever folds a tenant's deltas holds the row.
CREATE TABLE IF NOT EXISTS crm_folds (
    tenant BIGINT NOT NULL PRIMARY KEY
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The outcome is the ids of the leads and their versions, 16 and 8 bytes each.
CREATE TABLE IF NOT EXISTS crm_commits (
    tenant      BIGINT     NOT NULL,
    id          BINARY(16) NOT NULL,
    fingerprint BINARY(16),
    outcome     BLOB       NOT NULL,
    PRIMARY KEY (tenant, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS crm_documents (
    tenant  BIGINT       NOT NULL,
    `key`   VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version BIGINT       NOT NULL,
    bytes   MEDIUMBLOB   NOT NULL,
    PRIMARY KEY (tenant, `key`)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE OR REPLACE VIEW crm_view_leads AS
SELECT
    CONVERT(crm_tenants.name USING utf8mb4) AS tenant,
    LOWER(HEX(crm_leads.id)) AS id,
    crm_leads.version,
    crm_leads.first_name,
    crm_leads.last_name,
    crm_leads.email,
    crm_leads.company,
    crm_leads.phone,
    crm_leads.status,
    crm_statuses.name AS status_name,
    crm_statuses.kind AS status_kind,
    crm_leads.status_reason,
    CONVERT(crm_leads.assigned_to USING utf8mb4) AS assigned_to,
    crm_leads.source,
    crm_leads.value_minor,
    crm_leads.value_currency,
    crm_leads.tags,
    crm_leads.custom,
    crm_leads.notes,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL crm_leads.created_at MICROSECOND AS created_at,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL crm_leads.updated_at MICROSECOND AS updated_at,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL crm_leads.status_changed_at MICROSECOND
        AS status_changed_at,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL crm_leads.archived_at MICROSECOND AS archived_at
FROM crm_leads
JOIN crm_tenants ON crm_tenants.tenant = crm_leads.tenant
JOIN crm_statuses
    ON crm_statuses.tenant = crm_leads.tenant AND crm_statuses.slug = crm_leads.status;

CREATE OR REPLACE VIEW crm_view_events AS
SELECT
    crm_events.number,
    CONVERT(crm_tenants.name USING utf8mb4) AS tenant,
    LOWER(HEX(crm_events.`lead`)) AS `lead`,
    crm_events.version,
    TIMESTAMP '1970-01-01 00:00:00' + INTERVAL crm_events.at MICROSECOND AS at,
    crm_events.actor,
    crm_events.kind,
    crm_events.from_status,
    crm_events.to_status,
    crm_events.from_user,
    crm_events.to_user,
    crm_events.reason,
    crm_events.fields,
    crm_events.changes
FROM crm_events
JOIN crm_tenants ON crm_tenants.tenant = crm_events.tenant;

INSERT INTO crm_meta (name, value) VALUES ('format', 1) ON DUPLICATE KEY UPDATE value = value;
