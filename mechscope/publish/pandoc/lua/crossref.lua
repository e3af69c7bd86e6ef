--- Numbers figures, tables, equations and sections, and resolves `@fig-…`, `@tbl-…`, `@eq-…`, `@sec-…`.

local NAMES = { fig = "Figure", tbl = "Table", eq = "Equation", sec = "Section" }
local NBSP = "\u{a0}"

return function(surroundings)
  local problem, html = surroundings.problem, surroundings.html
  local settings = surroundings.job.crossref
  local M = {}
  local counts, sections, entries = {}, {}, {}

  local function refers_to(id)
    local prefix = id:match("^(%a+)%-")
    prefix = prefix and prefix:lower()
    return NAMES[prefix] and prefix or nil
  end

  local function enter(id, number)
    if id == "" then return end
    if entries[id] then
      problem("'" .. id .. "' is there twice: a figure, table, equation or section needs a name of its own", id)
    end
    entries[id] = number
  end

  local function count(kind, id)
    counts[kind] = (counts[kind] or 0) + 1
    enter(id, tostring(counts[kind]))
    return counts[kind]
  end

  -- Floats --------------------------------------------------------------------------------------------------

  local function labelled(kind, number, caption)
    local label = (settings[kind .. "-title"] or NAMES[kind]) .. NBSP .. number
    if #caption == 0 then return pandoc.Inlines({ pandoc.Str(label) }) end
    local inlines = pandoc.Inlines({ pandoc.Str(label .. (settings["title-delim"] or ":")), pandoc.Space() })
    inlines:extend(caption)
    return inlines
  end

  -- The caption is printed once: an image keeps its own only as its alternative text.
  local function without_image_captions(content)
    return content:walk({ Image = function(image)
      local alt = image.attributes["fig-alt"] or image.attributes.alt or pandoc.utils.stringify(image.caption)
      image.attributes["fig-alt"], image.attributes.alt, image.caption = nil, alt, {}
      image.classes:insert("figure-img")
      return image
    end })
  end

  local function float_html(id, kind, content, caption, classes)
    local caption_id = id .. "-caption"
    local top = kind == "tbl"
    local place = "quarto-float-caption-" .. (top and "top" or "bottom")
    local figcaption = pandoc.Blocks({
      pandoc.RawBlock("html", string.format('<figcaption class="%s quarto-float-caption quarto-float-%s figure-caption" id="%s">',
        place, kind, caption_id)),
      pandoc.Plain(caption),
      pandoc.RawBlock("html", "</figcaption>"),
    })
    local extra = #classes > 0 and " " .. table.concat(classes, " ") or ""
    local blocks = pandoc.Blocks({ pandoc.RawBlock("html", string.format(
      '<div id="%s" class="quarto-float quarto-figure quarto-figure-center%s">\n<figure class="quarto-float quarto-float-%s figure">',
      id, extra, kind)) })
    if top then blocks:extend(figcaption) end
    blocks:insert(pandoc.Div(content, pandoc.Attr("", {}, { ["aria-describedby"] = caption_id })))
    if not top then blocks:extend(figcaption) end
    blocks:insert(pandoc.RawBlock("html", "</figure>\n</div>"))
    return blocks
  end

  local function float_typst(id, kind, content, caption)
    local blocks = pandoc.Blocks({ pandoc.RawBlock("typst", string.format('#float("%s", "%s", [', id, kind)) })
    blocks:insert(pandoc.Plain(caption))
    blocks:insert(pandoc.RawBlock("typst", "])["))
    blocks:extend(content)
    blocks:insert(pandoc.RawBlock("typst", "]"))
    return blocks
  end

  local function float(id, kind, content, caption, classes)
    local inner = false
    content:walk({ Div = function(div) inner = inner or refers_to(div.identifier) end,
                   Figure = function(figure) inner = inner or refers_to(figure.identifier) end })
    if inner then problem("'" .. id .. "' holds figures with names of their own; the built-in engine has no subfigures", id) end
    local number = count(kind, id)
    content = without_image_captions(content)
    if kind == "tbl" then
      content = content:walk({ Table = function(inside)
        inside.caption.long, inside.identifier = {}, ""
        return inside
      end })
    end
    caption = labelled(kind, number, caption)
    if html then return float_html(id, kind, content, caption, classes) end
    return float_typst(id, kind, content, caption)
  end

  local function caption_of_div(div, kind)
    local content = pandoc.Blocks(div.content)
    if div.classes:includes("engine-float") then
      local caption = content[#content].content
      return pandoc.Blocks(content[1].content), caption
    end
    local last = content[#content]
    if #content > 1 and last.t == "Para" then
      content:remove()
      return content, last.content
    end
    local caption = pandoc.Inlines({})
    content:walk({
      Table = function(inside)
        if kind == "tbl" then caption = pandoc.utils.blocks_to_inlines(inside.caption.long) end
      end,
      Figure = function(inside)
        if kind == "fig" then caption = pandoc.utils.blocks_to_inlines(inside.caption.long) end
      end,
    })
    -- A lone image in a figure's Div brings a Figure of its own, with the same caption.
    if #content == 1 and content[1].t == "Figure" then content = pandoc.Blocks(content[1].content) end
    return content, caption
  end

  -- Equations -----------------------------------------------------------------------------------------------

  local function equations(inlines)
    local changed, result, i = false, pandoc.Inlines({}), 1
    while i <= #inlines do
      local math = inlines[i]
      local id, skip
      if math.t == "Math" and math.mathtype == "DisplayMath" then
        local after = inlines[i + 1]
        skip = after and (after.t == "Space" or after.t == "SoftBreak") and 2 or 1
        local label = inlines[i + skip]
        id = label and label.t == "Str" and label.text:match("^{#(eq%-[^}]+)}$")
      end
      if id then
        local number = "(" .. count("eq", id) .. ")"
        if html then
          result:insert(pandoc.Span({ math, pandoc.Span({ pandoc.Str(number) }, pandoc.Attr("", { "equation-number" })) },
            pandoc.Attr(id, { "equation" })))
        else
          result:insert(pandoc.RawInline("typst", '#equation("' .. id .. '", "' .. number .. '")['))
          result:insert(math)
          result:insert(pandoc.RawInline("typst", "]"))
        end
        i, changed = i + skip + 1, true
      else
        result:insert(math)
        i = i + 1
      end
    end
    return changed and result or nil
  end

  -- Sections ------------------------------------------------------------------------------------------------

  local function highest_heading(doc)
    local least = 6
    doc:walk({ Header = function(header) least = math.min(least, header.level) end })
    return least
  end

  local function number_of_section(header, highest)
    local level = header.level - highest + 1
    for deeper = #sections, level + 1, -1 do sections[deeper] = nil end
    for i = 1, level - 1 do sections[i] = sections[i] or 0 end
    sections[level] = (sections[level] or 0) + 1
    return table.concat(sections, "."), level
  end

  local function section(header, highest, numbered, depth)
    if header.classes:includes("unnumbered") then return nil end
    local number, level = number_of_section(header, highest)
    if refers_to(header.identifier) == "sec" then enter(header.identifier, number) end
    if not html or not numbered or level > depth then return nil end
    header.attributes.number = number
    header.content:insert(1, pandoc.Space())
    header.content:insert(1, pandoc.Span({ pandoc.Str(number) }, pandoc.Attr("", { "header-section-number" })))
    return header
  end

  -- References ----------------------------------------------------------------------------------------------

  local function reference(citation, kind)
    local id = citation.id:sub(1, 1):lower() .. citation.id:sub(2)
    local number = entries[id]
    if not number then
      local known = {}
      for name in pairs(entries) do
        if refers_to(name) == kind then known[#known + 1] = "@" .. name end
      end
      table.sort(known)
      problem("@" .. citation.id .. " refers to nothing" .. (#known > 0 and "; there are: " .. table.concat(known, ", ") or ""),
        "@" .. citation.id)
      return pandoc.Inlines({ pandoc.Str("?@" .. citation.id) })
    end
    local inlines = pandoc.Inlines({})
    if #citation.prefix > 0 then
      inlines:extend(citation.prefix)
      inlines:insert(pandoc.Str(NBSP .. number))
    elseif citation.mode == "SuppressAuthor" then
      inlines:insert(pandoc.Str(number))
    else
      local prefix = settings[kind .. "-prefix"] or NAMES[kind]
      if citation.id:match("^%u") then prefix = pandoc.text.upper(pandoc.text.sub(prefix, 1, 1)) .. pandoc.text.sub(prefix, 2) end
      inlines:insert(pandoc.Str((prefix == "" and "" or prefix .. NBSP) .. number))
    end
    if settings["ref-hyperlink"] == false then return inlines end
    return pandoc.Inlines({ pandoc.Link(inlines, "#" .. id, "", pandoc.Attr("", { "quarto-xref" })) })
  end

  local function references(cite)
    local inlines = pandoc.Inlines({})
    for _, citation in ipairs(cite.citations) do
      local kind = refers_to(citation.id)
      if not kind then
        if #inlines > 0 then problem("cite and cross-refer apart: '" .. citation.id .. "'", "@" .. citation.id) end
        return nil
      end
      if #inlines > 0 then inlines:extend({ pandoc.Str(","), pandoc.Space() }) end
      inlines:extend(reference(citation, kind))
      inlines:extend(citation.suffix)
    end
    return inlines
  end

  -- All of it -----------------------------------------------------------------------------------------------

  --- Tables scroll by themselves where the page is narrow.
  local function scrolling(element)
    element.classes:insert("table")
    element.attributes["tbl-colwidths"] = nil
    return html and pandoc.Div({ element }, pandoc.Attr("", { "table-responsive" })) or nil
  end

  function M.number(doc)
    local highest = highest_heading(doc)
    local numbered = doc.meta["number-sections"] == true
    local depth = tonumber(doc.meta["number-depth"] and pandoc.utils.stringify(doc.meta["number-depth"]) or 6)
    doc = doc:walk({
      traverse = "topdown",
      Header = function(header) return section(header, highest, numbered, depth) end,
      Inlines = equations,
      Div = function(div)
        local kind = div.classes:includes("engine-float") and div.attributes.kind or refers_to(div.identifier)
        if kind ~= "fig" and kind ~= "tbl" then return nil end
        local content, caption = caption_of_div(div, kind)
        local classes = div.classes:filter(function(class) return class ~= "engine-float" end)
        return float(div.identifier, kind, content, caption, classes), false
      end,
      Figure = function(figure)
        local image = figure.content[1] and figure.content[1].content and figure.content[1].content[1]
        if figure.identifier == "" and image and image.identifier and refers_to(image.identifier) then
          figure.identifier, image.identifier = image.identifier, ""
        end
        local caption = pandoc.utils.blocks_to_inlines(figure.caption.long)
        if refers_to(figure.identifier) == "fig" then
          return float(figure.identifier, "fig", figure.content, caption, {}), false
        end
        figure.classes:insert("figure")
        figure.content = without_image_captions(figure.content)
        return figure
      end,
      Table = function(element)
        if refers_to(element.identifier) ~= "tbl" then return nil end
        local caption = pandoc.utils.blocks_to_inlines(element.caption.long)
        return float(element.identifier, "tbl", pandoc.Blocks({ element }), caption, {}), false
      end,
    })
    doc = doc:walk({ Cite = references, Table = scrolling })
    if not html then
      -- Typst counts headings from level one.
      doc = doc:walk({ Header = function(header)
        header.level = header.level - highest + 1
        return header
      end })
    end
    return doc
  end

  return M
end
