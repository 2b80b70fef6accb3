-- What the tables hold and why they are so is described in the crate's documentation.
-- Times are microseconds since 1970 (UTC); the views at the end show them as timestamps.

CREATE TABLE IF NOT EXISTS crm_meta (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A number is never given again, so what is left of an erased tenant belongs to nobody.
CREATE TABLE IF NOT EXISTS crm_tenants (
    tenant INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name   TEXT    NOT NULL UNIQUE
) STRICT;

-- Every version of the rules; the one in force is the last.
CREATE TABLE IF NOT EXISTS crm_lifecycles (
    tenant  INTEGER NOT NULL REFERENCES crm_tenants,
    version INTEGER NOT NULL,
    rules   TEXT    NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;

-- The statuses of the rules in force.
CREATE TABLE IF NOT EXISTS crm_statuses (
    tenant      INTEGER NOT NULL REFERENCES crm_tenants,
    slug        TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    colour      TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('open', 'won', 'lost')),
    probability INTEGER NOT NULL,
    stuck_after INTEGER,
    retiring_to TEXT,
    PRIMARY KEY (tenant, slug)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS crm_transitions (
    tenant      INTEGER NOT NULL,
    from_status TEXT    NOT NULL,
    to_status   TEXT    NOT NULL,
    PRIMARY KEY (tenant, from_status, to_status),
    FOREIGN KEY (tenant, from_status) REFERENCES crm_statuses (tenant, slug) ON DELETE CASCADE,
    FOREIGN KEY (tenant, to_status)   REFERENCES crm_statuses (tenant, slug) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS crm_transitions_to ON crm_transitions (tenant, to_status);

-- Long texts come last: what a list looks at is then on the row's first page.
CREATE TABLE IF NOT EXISTS crm_leads (
    tenant            INTEGER NOT NULL,
    id                BLOB    NOT NULL,
    version           INTEGER NOT NULL,
    status            TEXT    NOT NULL,
    assigned_to       TEXT,
    source            TEXT,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    status_changed_at INTEGER NOT NULL,
    archived_at       INTEGER,
    archived          INTEGER NOT NULL CHECK (archived = (archived_at IS NOT NULL)),
    value_currency    TEXT,
    value_minor       INTEGER,
    name_sort         BLOB,
    company_sort      BLOB,
    email_sort        BLOB,
    email_key         TEXT,
    first_name        TEXT,
    last_name         TEXT,
    email             TEXT,
    company           TEXT,
    phone             TEXT,
    tags              TEXT,
    words             BLOB    NOT NULL,
    status_reason     TEXT,
    notes             TEXT,
    custom            TEXT,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, status) REFERENCES crm_statuses (tenant, slug),
    CHECK ((value_currency IS NULL) = (value_minor IS NULL))
) STRICT;

CREATE INDEX IF NOT EXISTS crm_leads_created
    ON crm_leads (tenant, archived, created_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_created_status
    ON crm_leads (tenant, status, archived, created_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_created_assignee
    ON crm_leads (tenant, archived, assigned_to, created_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_created_both
    ON crm_leads (tenant, archived, assigned_to, status, created_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_created_source
    ON crm_leads (tenant, archived, source, created_at, id) WHERE source IS NOT NULL;
CREATE INDEX IF NOT EXISTS crm_leads_created_email
    ON crm_leads (tenant, archived, email_key, created_at, id) WHERE email_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS crm_leads_updated
    ON crm_leads (tenant, archived, updated_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_updated_status
    ON crm_leads (tenant, status, archived, updated_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_updated_assignee
    ON crm_leads (tenant, archived, assigned_to, updated_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_updated_both
    ON crm_leads (tenant, archived, assigned_to, status, updated_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_changed
    ON crm_leads (tenant, archived, status_changed_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_changed_status
    ON crm_leads (tenant, status, archived, status_changed_at, id);
CREATE INDEX IF NOT EXISTS crm_leads_name
    ON crm_leads (tenant, archived, name_sort, id);
CREATE INDEX IF NOT EXISTS crm_leads_company
    ON crm_leads (tenant, archived, company_sort, id);
CREATE INDEX IF NOT EXISTS crm_leads_email
    ON crm_leads (tenant, archived, email_sort, id);
CREATE INDEX IF NOT EXISTS crm_leads_value
    ON crm_leads (tenant, archived, value_currency, value_minor, id);
CREATE INDEX IF NOT EXISTS crm_leads_status
    ON crm_leads (tenant, status, archived, id);

-- A lead's tags by their keys, in created order.
CREATE TABLE IF NOT EXISTS crm_tags (
    tenant     INTEGER NOT NULL,
    archived   INTEGER NOT NULL,
    tag        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    PRIMARY KEY (tenant, archived, tag, created_at, id)
) STRICT, WITHOUT ROWID;

-- The words that a lead is found by.
CREATE TABLE IF NOT EXISTS crm_words (
    tenant   INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    word     BLOB    NOT NULL,
    id       BLOB    NOT NULL,
    PRIMARY KEY (tenant, archived, word, id)
) STRICT, WITHOUT ROWID;

-- Totals: high * 10^18 + low, as sums of money outgrow 64 bits.
CREATE TABLE IF NOT EXISTS crm_counters (
    tenant INTEGER NOT NULL,
    key    BLOB    NOT NULL,
    high   INTEGER NOT NULL,
    low    INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS crm_counters_zero
    ON crm_counters (tenant) WHERE high = 0 AND low = 0;

-- One row for each version of a lead. There is one writer, so numbers are in commit order.
CREATE TABLE IF NOT EXISTS crm_events (
    number        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant        INTEGER NOT NULL,
    lead          BLOB    NOT NULL,
    version       INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    actor         TEXT,
    commit_id     BLOB    NOT NULL,
    kind          TEXT    NOT NULL,
    from_status   TEXT,
    to_status     TEXT,
    from_user     TEXT,
    to_user       TEXT,
    reason        TEXT,
    fields        TEXT,
    changes       TEXT
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS crm_events_lead
    ON crm_events (tenant, lead, version);
CREATE INDEX IF NOT EXISTS crm_events_feed
    ON crm_events (tenant, number);

-- The events of a commit are those numbered from first_event to last_event.
CREATE TABLE IF NOT EXISTS crm_commits (
    tenant      INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    fingerprint BLOB,
    first_event INTEGER NOT NULL,
    last_event  INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS crm_documents (
    tenant  INTEGER NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;

CREATE VIEW IF NOT EXISTS crm_view_leads AS
SELECT
    crm_tenants.name AS tenant,
    lower(hex(lead.id)) AS id,
    lead.version,
    lead.first_name,
    lead.last_name,
    lead.email,
    lead.company,
    lead.phone,
    lead.status,
    status.name AS status_name,
    status.kind AS status_kind,
    lead.status_reason,
    lead.assigned_to,
    lead.source,
    lead.value_minor,
    lead.value_currency,
    lead.tags,
    lead.custom,
    lead.notes,
    strftime('%Y-%m-%dT%H:%M:%fZ', lead.created_at / 1e6, 'unixepoch') AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', lead.updated_at / 1e6, 'unixepoch') AS updated_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', lead.status_changed_at / 1e6, 'unixepoch') AS status_changed_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', lead.archived_at / 1e6, 'unixepoch') AS archived_at
FROM crm_leads AS lead
JOIN crm_tenants USING (tenant)
JOIN crm_statuses AS status ON status.tenant = lead.tenant AND status.slug = lead.status;

CREATE VIEW IF NOT EXISTS crm_view_events AS
SELECT
    event.number,
    crm_tenants.name AS tenant,
    lower(hex(event.lead)) AS lead,
    event.version,
    strftime('%Y-%m-%dT%H:%M:%fZ', event.at / 1e6, 'unixepoch') AS at,
    event.actor,
    event.kind,
    event.from_status,
    event.to_status,
    event.from_user,
    event.to_user,
    event.reason,
    event.fields,
    event.changes
FROM crm_events AS event
JOIN crm_tenants USING (tenant);

INSERT INTO crm_meta (name, value) VALUES ('format', 1) ON CONFLICT (name) DO NOTHING;
