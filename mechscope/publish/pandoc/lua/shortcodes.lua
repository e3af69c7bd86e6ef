--- Puts the results of shortcodes where Python left a character for each (see source.py).

local FIRST = 0xF0000
local WORD = "\xF3[\xB0-\xBF][\x80-\xBF][\x80-\xBF]"

return function(surroundings)
  local job, problem = surroundings.job, surroundings.problem
  local M = {}
  local handlers, meta

  local kind = pandoc.utils.type

  -- Built in ------------------------------------------------------------------------------------------------

  --- A value of the document's metadata, by name or `name.within`.
  local function option(name)
    local value = meta
    for key in name:gmatch("[^.]+") do
      value = type(value) == "table" and value[key] or nil
    end
    return value
  end

  local built_in = {
    meta = function(args)
      local name = args[1] or ""
      local value = option(name)
      if value == nil then
        quarto.log.error("{{< meta " .. name .. " >}}: the document has no '" .. name .. "'.")
        os.exit(1)
      end
      if kind(value) == "Inlines" or kind(value) == "Blocks" then return value end
      return pandoc.utils.stringify(value)
    end,
    pagebreak = function()
      if surroundings.html then
        return pandoc.Blocks({ pandoc.RawBlock("html", '<div style="page-break-after: always;"></div>') })
      end
      return pandoc.Blocks({ pandoc.RawBlock("typst", "#pagebreak(weak: true)") })
    end,
  }

  --- The shortcode that a character stands for; nil where an author wrote such a character.
  local function entry_of(word) return job.shortcodes[tostring(utf8.codepoint(word) - FIRST)] end

  -- Calling -------------------------------------------------------------------------------------------------

  local function call(entry, context)
    local handler = handlers[entry.name]
    local handle = built_in[entry.name] or handler and handler.handle
    if not handle then
      local known = {}
      for name in pairs(handlers) do known[#known + 1] = name end
      for name in pairs(built_in) do known[#known + 1] = name end
      known[#known + 1] = "include"
      table.sort(known)
      problem("unknown shortcode '" .. tostring(entry.name) .. "'; there are: " .. table.concat(known, ", ")
        .. (entry.name == "include" and " (include stands alone on its line)" or ""), nil, entry.where)
      return ""
    end
    local args, raw = pandoc.List({}), pandoc.List({})
    local kwargs = setmetatable({}, { __index = function() return pandoc.Inlines({}) end })
    for _, argument in ipairs(entry.args) do
      raw:insert(argument.value)
      if argument.name then kwargs[argument.name] = argument.value else args:insert(argument.value) end
    end
    local settings = setmetatable({}, { __index = function(_, name) return option(name) end })
    surroundings.where = entry.where
    surroundings.script_folder = handler and handler.folder
    local ok, result = pcall(handle, args, kwargs, settings, raw, context)
    if not ok then
      quarto.log.error(entry.raw .. ": " .. tostring(result))
      os.exit(1)
    end
    surroundings.where = nil
    if result == nil then
      problem(entry.raw .. " gave nothing", nil, entry.where)
      return ""
    end
    return result
  end

  --- Which sort of content a result is: "text", "inlines" or "blocks", and the content.
  local function sorted(result)
    local sort = kind(result)
    if sort == "string" or sort == "number" then return "text", tostring(result) end
    if sort == "Inlines" then return "inlines", result end
    if sort == "Blocks" then return "blocks", result end
    if sort == "Inline" then return "inlines", pandoc.Inlines({ result }) end
    if sort == "Block" then return "blocks", pandoc.Blocks({ result }) end
    local items = pandoc.List(result)
    if #items > 0 and kind(items[1]) == "Block" then return "blocks", pandoc.Blocks(items) end
    return "inlines", pandoc.Inlines(items)
  end

  local function has_float(blocks)
    local found = false
    blocks:walk({ Div = function(div) found = found or div.classes:includes("engine-float") end })
    return found
  end

  local function as_blocks(entry, container)
    if entry.literal then return pandoc.Blocks({ container({ pandoc.Str(entry.literal) }) }) end
    local sort, content = sorted(call(entry, "block"))
    if sort == "blocks" then return content end
    return pandoc.Blocks({ container(sort == "text" and { pandoc.Str(content) } or content) })
  end

  local function as_inlines(entry)
    if entry.literal then return pandoc.Inlines({ pandoc.Str(entry.literal) }) end
    local sort, content = sorted(call(entry, "inline"))
    if sort == "text" then return pandoc.Inlines({ pandoc.Str(content) }) end
    if sort == "inlines" then return content end
    if has_float(content) then
      problem(entry.raw .. " makes a figure or table: it must stand alone, with an empty line before and after", nil,
        entry.where)
    end
    return pandoc.utils.blocks_to_inlines(content, { pandoc.Space() })
  end

  local function as_text(entry)
    if entry.literal then return entry.literal end
    local _, content = sorted(call(entry, "text"))
    return type(content) == "string" and content or pandoc.utils.stringify(content)
  end

  -- Finding -------------------------------------------------------------------------------------------------

  local function in_text(text, how)
    how = how or as_text
    return (text:gsub(WORD, function(word)
      local entry = entry_of(word)
      return entry and how(entry)
    end))
  end

  local function as_written(entry) return entry.raw end

  local function in_attributes(element)
    for name, value in pairs(element.attributes) do
      if value:find(WORD) then element.attributes[name] = in_text(value) end
    end
    return element
  end

  local function code(element)
    local untouched = element.attributes and element.attributes.shortcodes == "false"
    if element.attributes then element.attributes.shortcodes = nil end
    element.text = in_text(element.text, untouched and as_written or as_text)
    return element
  end

  local function alone(container)
    return function(block)
      local word = #block.content == 1 and block.content[1].t == "Str" and block.content[1].text
      local entry = word and word:match("^" .. WORD .. "$") and entry_of(word)
      return entry and as_blocks(entry, container) or nil
    end
  end

  local function in_words(str)
    if not str.text:find(WORD) then return nil end
    local inlines, from = pandoc.Inlines({}), 1
    for first, word, after in str.text:gmatch("()(" .. WORD .. ")()") do
      local entry = entry_of(word)
      if entry then
        if first > from then inlines:insert(pandoc.Str(str.text:sub(from, first - 1))) end
        inlines:extend(as_inlines(entry))
        from = after
      end
    end
    if from <= #str.text then inlines:insert(pandoc.Str(str.text:sub(from))) end
    return inlines
  end

  --- Expand every shortcode in `doc`, metadata included.
  function M.expand(doc, loaded)
    handlers, meta = loaded, doc.meta
    if next(job.shortcodes) == nil then return doc end
    doc = doc:walk({
      Para = alone(pandoc.Para), Plain = alone(pandoc.Plain), CodeBlock = code, RawBlock = code,
    })
    return doc:walk({
      Str = in_words, Code = code, Math = code, RawInline = code,
      Div = in_attributes, Span = in_attributes, Header = in_attributes,
      Link = function(link)
        link.target, link.title = in_text(link.target), in_text(link.title)
        return in_attributes(link)
      end,
      Image = function(image)
        image.src, image.title = in_text(image.src), in_text(image.title)
        return in_attributes(image)
      end,
    })
  end

  return M
end
