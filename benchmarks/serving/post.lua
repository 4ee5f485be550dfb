-- Posts distinct images for wrk: one file after another from a folder, raw or as multipart.
-- wrk ... -s post.lua URL -- FOLDER COUNT raw|multipart TOKEN

local boundary = "----cifra-benchmark"
local sent, failed = 0, 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

local function multipart(image)
  return "--" .. boundary .. "\r\n"
    .. 'Content-Disposition: form-data; name="file"; filename="digit.png"\r\n'
    .. "Content-Type: image/png\r\n\r\n" .. image .. "\r\n--" .. boundary .. "--\r\n"
end

function init(args)
  requests, at = {}, 0
  local headers = {}
  if args[4] then headers["Authorization"] = "Bearer " .. args[4] end
  for number = 0, tonumber(args[2]) - 1 do
    local body = read(args[1] .. "/" .. number .. ".png")
    if args[3] == "raw" then
      headers["Content-Type"] = "image/png"
    else
      headers["Content-Type"] = "multipart/form-data; boundary=" .. boundary
      body = multipart(body)
    end
    requests[number + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  local refused = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, refused,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
