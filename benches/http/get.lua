-- Asks for leads whose ids are in a file, in turn.
local ids = {}
local next_one = 0

function init(arguments)
  for id in io.lines(arguments[1]) do
    table.insert(ids, id)
  end
end

function request()
  next_one = next_one % #ids + 1
  return wrk.format("GET", wrk.path .. ids[next_one])
end
