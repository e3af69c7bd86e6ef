-- Runs one shortcode, or the filter, as an engine would:  pandoc lua harness.lua ROOT FORMAT CONTEXT NAME [ARGUMENT…]
-- An argument "name=value" is an option. Prints what comes out in FORMAT.

local root, format, context, name = arg[1], arg[2], arg[3], arg[4]
local extension = root .. "/_extensions/mechscope/"
package.path = extension .. "?.lua;" .. package.path

quarto = {
  project = { directory = not os.getenv("NO_PROJECT") and root or nil },
  doc = {
    input_file = os.getenv("INPUT") or root .. "/paper/articles/topic-geometry.qmd",
    is_format = function(wanted) return wanted == format end,
  },
  log = { error = function(message) io.stderr:write(message, "\n") end },
  FloatRefTarget = function(float)
    local attr = pandoc.Attr(float.identifier, { "float", float.type })
    return pandoc.Div({ pandoc.Div(float.content), pandoc.Div({ float.caption_long }) }, attr)
  end,
}

local meta = { mechscope = { run = pandoc.Inlines({ pandoc.Str(os.getenv("RUN") or "smollm2-135m") }) } }
if os.getenv("RUN") == "" then meta = {} end
local out

if name == "filter" then
  local filter = setmetatable({}, { __index = _G })
  loadfile(extension .. "filter.lua", "t", filter)()
  local document = pandoc.read(io.read("a"), "markdown")
  document.meta.mechscope = meta.mechscope
  out = filter.Pandoc(document)
else
  local args, kwargs = {}, {}
  for i = 5, #arg do
    local key, value = arg[i]:match("^(%w+)=(.*)$")
    if key then kwargs[key] = value else args[#args + 1] = arg[i] end
  end
  local result = dofile(extension .. "shortcodes.lua")[name](args, kwargs, meta, {}, context)
  if type(result) == "string" then
    io.write(result)
    return
  end
  if pandoc.utils.type(result) == "Inlines" then
    out = pandoc.Pandoc({ pandoc.Plain(result) })
  elseif pandoc.utils.type(result) == "Blocks" then
    out = pandoc.Pandoc(result)
  else
    out = pandoc.Pandoc({ result })
  end
end
io.write((pandoc.write(out, format, { wrap_text = "wrap-none" })))
