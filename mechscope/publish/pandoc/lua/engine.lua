--- What Quarto does between Pandoc's reader and its writer, as far as a mechscope project uses it.
--
-- In this order: the project's filters, content for one format only, shortcodes, callouts, numbered floats and
-- cross-references, links and images. What Python must know afterwards (problems, files that were read, images)
-- goes to the report, a JSON file.

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local job = pandoc.json.decode(read(os.getenv("MECHSCOPE_ENGINE_JOB")), false)
local function part(name) return dofile(job.lua .. "/" .. name .. ".lua") end

local report = { problems = {}, images = {}, dependencies = {} }

--- Something that a person has to put right: `needle` is text that the source's line contains.
local function problem(message, needle, where)
  table.insert(report.problems, { message = message, needle = needle or "", where = where })
end

local surroundings = { job = job, report = report, problem = problem, html = FORMAT:match("^html") ~= nil }
part("quarto")(surroundings)
local extensions = part("extensions")(surroundings)
local shortcodes = part("shortcodes")(surroundings)
local blocks = part("blocks")(surroundings)
local crossref = part("crossref")(surroundings)
local title = part("title")(surroundings)

function Pandoc(doc)
  doc = extensions.filter(doc, job.filters.before)
  doc = blocks.for_this_format(doc)
  doc = shortcodes.expand(doc, extensions.handlers)
  doc = blocks.callouts(doc)
  doc = crossref.number(doc)
  doc = blocks.columns(doc)
  doc = extensions.filter(doc, job.filters.after)
  doc = blocks.images_and_links(doc)
  doc.meta = title.normalise(doc.meta)
  for place, texts in pairs(surroundings.include_text) do
    local raw = pandoc.Blocks({})
    for _, text in ipairs(texts) do raw:insert(pandoc.RawBlock(surroundings.html and "html" or FORMAT, text)) end
    local there = doc.meta[place]
    doc.meta[place] = there and pandoc.MetaList({ there, pandoc.MetaBlocks(raw) }) or pandoc.MetaBlocks(raw)
  end
  local file = assert(io.open(job.report, "wb"))
  file:write(pandoc.json.encode(report))
  file:close()
  return doc
end
