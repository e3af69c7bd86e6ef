--- Looks findings up in `results/<run>/<analysis>/ledger.json`.
--
-- The one place where articles meet ledgers; shortcodes.lua and filter.lua call it, in Quarto and in the
-- built-in engine alike. It reads and never formats: every number was turned into text when it was recorded.
--
-- Needs from its surroundings only `quarto.project.directory`, `quarto.doc.input_file` and
-- `quarto.log.error`.

local M = {}

-- What a record is called in an article, by its name in a ledger.
M.kinds = { statistics = "stat", figures = "figure", tables = "table", passages = "passages", claims = "claim" }

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function listing(folder)
  local ok, names = pcall(pandoc.system.list_directory, folder)
  if not ok then return {} end
  table.sort(names)
  return names
end

local function forward(path)
  return (path:gsub("\\", "/"))
end

-- The nearest folder that holds `_quarto.yml`, from that of the document upwards; nil when there is none.
local function project_above(document)
  local here = pandoc.system.get_working_directory()
  local folder = pandoc.path.normalize(pandoc.path.join({ here, pandoc.path.directory(document) }))
  while true do
    for _, name in ipairs({ "/_quarto.yml", "/_quarto.yaml" }) do
      if exists(folder .. name) then return folder end
    end
    local above = pandoc.path.directory(folder)
    if above == folder then return nil end
    folder = above
  end
end

local root_above

--- The project's folder, without a final slash. `quarto preview DOCUMENT` does not tell it.
function M.root()
  local root = M.project_root or quarto.project.directory
  if not root then
    root_above = root_above or project_above(M.input_file or quarto.doc.input_file or "")
    root = root_above or pandoc.system.get_working_directory()
  end
  return (forward(root):gsub("/+$", ""))
end

--- The document that is being rendered, relative to the project ("paper/articles/x.qmd").
function M.document()
  local file = M.input_file or quarto.doc.input_file
  return forward(pandoc.path.make_relative(file, M.root(), true))
end

--- Stop the render: Quarto's `error()` would only log and go on.
function M.fail(message)
  quarto.log.error(M.document() .. ": " .. message)
  os.exit(1)
end

-- Names -----------------------------------------------------------------------------------------------------

-- Levenshtein's distance, a row at a time.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local substitution = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(row[j] + 1, row[j - 1] + 1, substitution)
    end
  end
  return row[#b]
end

--- The candidate that looks most like `name`, or nil when none is near.
function M.nearest(name, candidates)
  local best, least
  for _, candidate in ipairs(candidates) do
    local steps = distance(name:lower(), candidate:lower())
    if steps <= math.max(2, 0.4 * math.max(#name, #candidate)) and (not least or steps < least) then
      best, least = candidate, steps
    end
  end
  return best
end

function M.unknown(kind, name, candidates)
  local near = M.nearest(name, candidates)
  local message = "unknown " .. kind .. " '" .. name .. "'"
  if near then return message .. " — did you mean '" .. near .. "'?" end
  if #candidates == 0 then return message .. ": there is no " .. kind .. " yet." end
  return message .. "; there are: " .. table.concat(candidates, ", ", 1, math.min(12, #candidates)) .. "."
end

-- Runs and ledgers ------------------------------------------------------------------------------------------

-- Where the results lie that are the same in all runs (`SHARED` in project.py).
local SHARED = "shared"

local prepared_for

--- The analyses whose results `run` shares, as prepared before a render (pages/colophon.py).
local function shared_by(run)
  local shared = prepared_for(M.current_run or run, "site.json").shared or {}
  return pandoc.List(shared[run] or {})
end

--- The run where the results of `analysis` lie that `run` shows: its own, or `SHARED`.
local function home(run, analysis)
  return shared_by(run):includes(analysis) and SHARED or run
end

--- Runs that have results.
function M.runs()
  local runs = {}
  for _, name in ipairs(listing(M.root() .. "/results")) do
    if #M.analyses(name) > 0 then runs[#runs + 1] = name end
  end
  return runs
end

local known

--- Runs that have results, or are declared: each of these has a profile.
function M.known_runs()
  if known then return known end
  known = pandoc.List(M.runs())
  for _, name in ipairs(listing(M.root())) do
    local run = name:match("^_quarto%-(.+)%.ya?ml$")
    if run and not known:includes(run) then known:insert(run) end
  end
  return known
end

--- Analyses with results in `run`, shared ones among them.
function M.analyses(run)
  local names = pandoc.List(listing(M.root() .. "/results/" .. run))
  for _, name in ipairs(shared_by(run)) do
    if not names:includes(name) then names:insert(name) end
  end
  table.sort(names)
  return names:filter(function(name)
    return exists(M.root() .. "/results/" .. home(run, name) .. "/" .. name .. "/ledger.json")
  end)
end

--- The run that the profile names (`mechscope.run`, else the first profile that is a run); nil when none does.
function M.named_run(meta)
  if M.current_run then return M.current_run end
  local settings = meta and meta["mechscope"]
  if type(settings) == "table" and settings["run"] then
    M.current_run = pandoc.utils.stringify(settings["run"])
    return M.current_run
  end
  local profiles = os.getenv("QUARTO_PROFILE") or ""
  for profile in profiles:gmatch("[^,%s]+") do
    if #M.analyses(profile) > 0 then
      M.current_run = profile
      return profile
    end
  end
end

--- The run that is being rendered; without one the render stops.
function M.run(meta)
  return M.named_run(meta) or M.fail("no run is chosen: render with a run's profile, for example "
    .. "'quarto render --profile " .. (M.runs()[1] or "RUN") .. "'.")
end

local ledgers = {}

local function ledger_of(run, analysis)
  local place = home(run, analysis) .. "/" .. analysis
  if ledgers[place] == nil then
    local path = M.root() .. "/results/" .. place .. "/ledger.json"
    local text = read(path)
    if not text then
      ledgers[place] = false
    else
      local ok, value = pcall(pandoc.json.decode, text, false)
      if not ok or type(value) ~= "table" or type(value.findings) ~= "table" then
        M.fail("results/" .. place .. "/ledger.json is damaged: it is not the JSON of a ledger. "
          .. "Make it anew with 'mechscope run " .. analysis .. " --run " .. run .. " --force'.")
      end
      ledgers[place] = value
    end
  end
  return ledgers[place]
end

--- Split "analysis.name" or "run:analysis.name"; nil when it is neither.
function M.parse(key)
  local run, rest = key:match("^([%w][%w%._%-]*):(.+)$")
  local analysis, name = (rest or key):match("^([a-z][a-z0-9_]*)%.([a-z][a-z0-9_]*)$")
  if not analysis then return nil end
  return run, analysis, name
end

local function names_of(findings)
  local names = {}
  for kind in pairs(M.kinds) do
    for name in pairs(findings[kind] or {}) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function kind_of(findings, name)
  for kind in pairs(M.kinds) do
    if (findings[kind] or {})[name] then return kind end
  end
end

local function any_key(run)
  local keys = {}
  for _, analysis in ipairs(M.analyses(run)) do
    local ledger = ledger_of(run, analysis)
    for _, name in ipairs(names_of(ledger.findings)) do keys[#keys + 1] = analysis .. "." .. name end
  end
  return keys
end

--- Look a key up.
--
-- Returns a table {run, analysis, name, key, kind, record, here}: `run` where it lies, `kind` as in a ledger
-- ("statistics" …), `key` complete only for another run, `here` whether it belongs to the run that is rendered or is
-- shared by it. Where that run can't have the record, `kind` is "absent", and `record` says what stands in its place.
-- An unknown key, or one of another kind than `wanted`, returns nil and a message.
function M.find(key, meta, wanted)
  local current = M.run(meta)
  local run, analysis, name = M.parse(key)
  if not analysis then
    return nil, "'" .. key .. "' is not a key; keys are 'analysis.name' or 'run:analysis.name'"
      .. (function(near) return near and " — did you mean '" .. near .. "'?" or "." end)
        (M.nearest(key, any_key(current)))
  end
  run = run or current
  if run ~= current and #M.analyses(run) == 0 then
    return nil, M.unknown("run", run, M.runs())
  end
  local place = home(run, analysis)
  local here = place == home(current, analysis)
  local prefix = here and "" or place .. ":"
  local whole = prefix .. analysis .. "." .. name
  local ledger = ledger_of(run, analysis)
  local kind = ledger and kind_of(ledger.findings, name)
  local absent = not kind and (M.note({ key = whole }) or {}).absent
  if absent then
    absent.outcome, absent.caption, absent.alt = "untestable", absent.said, absent.said
    return { run = place, analysis = analysis, name = name, kind = "absent", record = absent, key = whole,
             here = here }
  end
  if not ledger then
    local there = M.analyses(run)
    if #there == 0 then
      return nil, "run '" .. run .. "' has no results yet: 'mechscope run --run " .. run .. "' makes them."
    end
    return nil, M.unknown("analysis", analysis, there) .. " (in '" .. key .. "')"
  end
  if kind and wanted and kind ~= wanted then
    return nil, "'" .. key .. "' is not for {{< " .. M.kinds[wanted] .. " >}}: write {{< " .. M.kinds[kind] .. " "
      .. key .. " >}}."
  elseif kind then
    return { run = place, analysis = analysis, name = name, kind = kind, record = ledger.findings[kind][name],
             key = whole, here = here }
  end
  local keys = {}
  for _, other in ipairs(names_of(ledger.findings)) do keys[#keys + 1] = prefix .. analysis .. "." .. other end
  return nil, M.unknown("key", key, keys)
end

--- Like `find`, but stops the render when there is nothing.
function M.lookup(key, meta, wanted)
  local found, message = M.find(key, meta, wanted)
  if not found then M.fail(message) end
  return found
end

-- What rendering adds ---------------------------------------------------------------------------------------

local prepared = {}

function prepared_for(run, name)
  local path = M.root() .. "/paper/_generated/" .. run .. "/" .. name
  if prepared[path] == nil then
    local text = read(path)
    prepared[path] = text and pandoc.json.decode(text, false) or {}
  end
  return prepared[path]
end

--- What is known about the document itself (`documents.json`): its banner and the numbers that it cites.
--
-- Nil for one that shows nothing of a ledger; such a document needs no run.
function M.about_document(meta)
  local document = M.document()
  if document:sub(1, 6) ~= "paper/" or document:sub(1, 17) == "paper/_generated/" then return nil end
  if not M.named_run(meta) then return nil end
  return prepared_for(M.run(meta), "documents.json")[document]
end

--- What stands at the foot of every page (`site.json`); nil for a page without a run, and without a render.
function M.colophon(meta)
  if not M.named_run(meta) then return nil end
  local site = prepared_for(M.run(meta), "site.json")
  return site.run and site or nil
end

--- What the popover of a record says, as prepared in `paper/_generated/<run>/popovers.json`; nil without it.
function M.note(found)
  return prepared_for(M.current_run, "popovers.json")[found.key]
end

--- The text by which a statistic is cited: part is value, ci, p, n or full.
function M.text(found, part)
  local text = found.record.text
  if found.kind == "absent" then return text end
  if part == "" then part = "value" end
  if part == "n" then return text.full:match("n = ([%d,]+)%)$") or "" end
  return text[part]
end

-- Places ----------------------------------------------------------------------------------------------------

--- A path in the project as the document links it ("../../results/…"): pages mirror their sources.
function M.from_document(path)
  local folder = M.document():match("^(.*)/[^/]*$") or ""
  local up = {}
  for _ in folder:gmatch("[^/]+") do up[#up + 1] = ".." end
  up[#up + 1] = path
  return table.concat(up, "/")
end

--- Where a record is explained.
function M.explained_at(found)
  local page = found.kind == "claims" and "claims" or "numbers"
  return M.from_document("paper/_generated/" .. M.current_run .. "/" .. page .. ".html") .. "#" .. found.key
end

--- Where a record was computed: its place in the notebook's page; nil for another run, whose site may not exist.
function M.code_at(found)
  local name = found.kind == "absent" and found.record.record or found.name
  if not found.here or name == "" then return nil end
  return M.from_document("results/" .. found.run .. "/" .. found.analysis .. "/notebook.html")
    .. "#record-" .. name
end

--- A file of a record's results ("figures/x.svg"), relative to the document.
function M.result_at(found, file)
  return M.from_document("results/" .. found.run .. "/" .. found.analysis .. "/" .. file)
end

return M
