-- sendMessage of about 150 bytes of JSON, by many bots to many chats.
local bots = tonumber(os.getenv("BENCH_BOTS") or "100")
local requests = {}
local n = 0

init = function()
  for i = 0, bots - 1 do
    local body = string.format(
      '{"chat_id":%d,"text":"The quick brown fox jumps over the lazy dog, again and again, until the benchmark ends"}',
      1000 + i)
    requests[i] = wrk.format("POST", "/bot" .. (100000 + i) .. ":" .. string.rep("a", 35) .. "/sendMessage",
      { ["Content-Type"] = "application/json", ["Host"] = "bench" }, body)
  end
end

request = function()
  n = (n + 1) % bots
  return requests[n]
end
