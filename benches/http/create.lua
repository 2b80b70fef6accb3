-- Creates leads, each with a name and an address of its own.
local number = 0
local body = '{"first_name":"Tendai%d","last_name":"Moyo-%d","email":"t.moyo%d@acme.example",' ..
  '"company":"Acme Corp %d","phone":"+263 77 %07d","source":"website",' ..
  '"assigned_to":"user_%d"}'

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function init()
  number = math.random(1000000)
end

function request()
  number = number + 1
  return wrk.format(nil, nil, nil, body:format(
    number % 997, number % 4999, number, number % 2000, number % 10000000, number % 20
  ))
end
