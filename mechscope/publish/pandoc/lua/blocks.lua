--- Content for one format only, callouts, images and links.

local CALLOUTS = { note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution" }

return function(surroundings)
  local job, report, problem, html = surroundings.job, surroundings.report, surroundings.problem, surroundings.html
  local M = {}

  -- Content for one format ----------------------------------------------------------------------------------

  local function meets(attributes, name)
    local format, profile = attributes[name .. "-format"], attributes[name .. "-profile"]
    if format and not quarto.doc.is_format(format) then return false end
    if profile and not pandoc.List(job.profiles):includes(profile) then return false end
    return true
  end

  local function shown(element)
    local attributes, classes = element.attributes, element.classes
    local when, unless = meets(attributes, "when"), false
    if attributes["unless-format"] or attributes["unless-profile"] then unless = meets(attributes, "unless") end
    local applies = when and not unless
    if classes:includes("content-visible") then return applies end
    if classes:includes("content-hidden") then return not applies end
    return not classes:includes("hidden")
  end

  local function for_this_format(element)
    if not shown(element) then return {} end
    if element.classes:includes("content-visible") or element.classes:includes("content-hidden") then
      return element.content
    end
  end

  function M.for_this_format(doc)
    return doc:walk({ traverse = "topdown", Div = for_this_format, Span = for_this_format })
  end

  -- Callouts ------------------------------------------------------------------------------------------------

  local function callout_html(kind, title, body, div)
    local style = div.attributes.appearance or "default"
    local collapse = div.attributes.collapse
    local outer, header = "div", "div"
    local classes = "callout callout-style-" .. style .. " callout-" .. kind .. (title and " callout-titled" or "")
    local open = ""
    if collapse then
      outer, header = "details", "summary"
      open = collapse == "false" and " open" or ""
    end
    local id = div.identifier ~= "" and ' id="' .. div.identifier .. '"' or ""
    local blocks = pandoc.Blocks({ pandoc.RawBlock("html", "<" .. outer .. id .. ' class="' .. classes .. '"' .. open .. ">") })
    if title then
      blocks:insert(pandoc.RawBlock("html", "<" .. header .. ' class="callout-header"><span class="callout-icon-container"'
        .. ' aria-hidden="true"><i class="callout-icon"></i></span><span class="callout-title-container">'))
      blocks:insert(pandoc.Plain(title))
      blocks:insert(pandoc.RawBlock("html", "</span></" .. header .. ">"))
    end
    blocks:insert(pandoc.Div(body, pandoc.Attr("", { "callout-body-container", "callout-body" })))
    blocks:insert(pandoc.RawBlock("html", "</" .. outer .. ">"))
    return blocks
  end

  local function callout_typst(kind, title, body)
    local blocks = pandoc.Blocks({ pandoc.RawBlock("typst", '#callout(kind: "' .. kind .. '", title: [') })
    if title then blocks:insert(pandoc.Plain(title)) end
    blocks:insert(pandoc.RawBlock("typst", "])["))
    blocks:extend(body)
    blocks:insert(pandoc.RawBlock("typst", "]"))
    return blocks
  end

  function M.callouts(doc)
    return doc:walk({ Div = function(div)
      local kind
      for _, class in ipairs(div.classes) do
        kind = kind or class:match("^callout%-(%a+)$")
      end
      if not kind then return nil end
      if not CALLOUTS[kind] then
        problem("unknown callout '" .. kind .. "'; there are: caution, important, note, tip, warning", "callout-" .. kind)
        return nil
      end
      local body = pandoc.Blocks(div.content)
      local title
      if div.attributes.title then
        title = pandoc.utils.blocks_to_inlines(pandoc.read(div.attributes.title, "markdown").blocks)
      elseif body[1] and body[1].t == "Header" then
        title = body[1].content
        body:remove(1)
      elseif (div.attributes.appearance or "default") == "default" then
        title = pandoc.Inlines({ pandoc.Str(CALLOUTS[kind]) })
      end
      return html and callout_html(kind, title, body, div) or callout_typst(kind, title, body)
    end })
  end

  -- Columns and margins -------------------------------------------------------------------------------------------------

  --- `::: {layout-ncol=2}`: the blocks inside, side by side.
  function M.columns(doc)
    return doc:walk({ Div = function(div)
      if not html and (div.classes:includes("column-margin") or div.classes:includes("aside")) then
        local blocks = pandoc.Blocks({ pandoc.RawBlock("typst", "#aside[") })
        blocks:extend(div.content)
        blocks:insert(pandoc.RawBlock("typst", "]"))
        return blocks
      end
      local columns = tonumber(div.attributes["layout-ncol"])
      if not columns then return nil end
      div.attributes["layout-ncol"] = nil
      if html then
        div.classes:insert("engine-columns")
        div.attributes.style = "--columns: " .. columns
        return div
      end
      local blocks = pandoc.Blocks({ pandoc.RawBlock("typst", "#grid(columns: (1fr,) * " .. columns .. ", gutter: 1em,") })
      for _, block in ipairs(div.content) do
        blocks:extend({ pandoc.RawBlock("typst", "["), block, pandoc.RawBlock("typst", "],") })
      end
      blocks:insert(pandoc.RawBlock("typst", ")"))
      return blocks
    end })
  end

  -- Images and links ----------------------------------------------------------------------------------------

  local function is_local(address)
    return address ~= "" and not address:match("^%a[%w+.-]*:") and not address:match("^//")
  end

  --- An address relative to the document as a path from the project's root, without `..`; nil if it leaves it.
  local function from_root(address)
    local steps = {}
    local path = address:sub(1, 1) == "/" and address or job.folder .. "/" .. address
    for step in path:gmatch("[^/]+") do
      if step == ".." then
        if #steps == 0 then return nil end
        table.remove(steps)
      elseif step ~= "." then
        steps[#steps + 1] = step
      end
    end
    return table.concat(steps, "/")
  end

  local function unescaped(address)
    return (address:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
  end

  local function typst_string(text)
    return '"' .. text:gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("%s+", " ") .. '"'
  end

  local function image(element)
    local alt = element.attributes["fig-alt"] or element.attributes.alt or pandoc.utils.stringify(element.caption)
    element.attributes["fig-alt"] = nil
    element.attributes["fig-align"] = nil
    if html then
      element.attributes.alt = alt
      element.classes:insert("img-fluid")
      if is_local(element.src) and element.src:sub(1, 1) == "/" then element.src = job.offset .. element.src:sub(2) end
      return element
    end
    if not is_local(element.src) then
      problem("the image " .. element.src .. " lies on another host, and a PDF cannot fetch it", element.src)
      return pandoc.Str(alt)
    end
    local path = from_root(unescaped(element.src))
    if not path then
      problem("the image " .. element.src .. " lies outside the project", element.src)
      return pandoc.Str(alt)
    end
    table.insert(report.images, { path = path, needle = element.src })
    local width = element.attributes.width or "auto"
    if width:match("^%d+$") then width = width .. "px" end
    if width:match("px$") then width = string.format("%.1fpt", tonumber(width:sub(1, -3)) * 0.75) end
    return pandoc.RawInline("typst", string.format("#picture(%s, alt: %s, width: %s)", typst_string("/" .. path),
      typst_string(alt), width))
  end

  local function link(element, anchors)
    local address, rest = element.target:match("^([^#?]*)(.*)$")
    if address == "" then
      local id = unescaped(rest:sub(2))
      if not html and rest:sub(1, 1) == "#" and id ~= "" and not anchors[id] then
        problem("the link #" .. id .. " leads nowhere: no heading, figure or table has this name", "#" .. id)
        return element.content
      end
      return nil
    end
    if not is_local(address) then return nil end
    local path = from_root(unescaped(address))
    if path and job.pages[path] then
      address = address:gsub("%.[^./]+$", job.pages[path])
    end
    if address:sub(1, 1) == "/" then address = job.offset .. address:sub(2) end
    element.target = address .. rest
    -- Beside a PDF lies its page; a link from one PDF goes to a page, wherever the reader keeps the site.
    return element
  end

  -- HTML that Pandoc found in Markdown; a block that says {=html} is meant for pages alone.
  local ONLY_ON_PAGES = { table = "a table", img = "a picture", iframe = "a frame", video = "a video", audio = "a sound" }

  local function html_in_a_pdf(raw)
    local name = raw.format == "html" and raw.text:match("^<(%a+)[^<>]*>$")
    if name and ONLY_ON_PAGES[name:lower()] then
      problem(raw.text .. " is " .. ONLY_ON_PAGES[name:lower()] .. " in HTML, which no PDF shows: write it in Markdown,"
        .. " or put it into a block of ```{=html}", raw.text)
    end
  end

  function M.images_and_links(doc)
    if not html then doc:walk({ RawBlock = html_in_a_pdf, RawInline = html_in_a_pdf }) end
    local anchors = {}
    local function note(element)
      if element.identifier and element.identifier ~= "" then anchors[element.identifier] = true end
    end
    doc:walk({ Header = note, Div = note, Span = note, Table = note, Figure = note, CodeBlock = note, Link = note,
      Image = note, RawBlock = function(raw)
        for id in raw.text:gmatch("#float%(\"([^\"]+)\"") do anchors[id] = true end
      end,
      RawInline = function(raw)
        for id in raw.text:gmatch("#equation%(\"([^\"]+)\"") do anchors[id] = true end
      end })
    return doc:walk({ Image = image, Link = function(element) return link(element, anchors) end })
  end

  return M
end
