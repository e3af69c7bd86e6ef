--- The global `quarto` that extensions expect: the part of Quarto's Lua API that needs no Quarto.

return function(surroundings)
  local job, report = surroundings.job, surroundings.report

  local function say(level, ...)
    local parts = {}
    for i, value in ipairs({ ... }) do
      parts[i] = type(value) == "string" and value or pandoc.utils.stringify(value)
    end
    io.stderr:write("(" .. level .. ") " .. table.concat(parts, " ") .. "\n")
  end

  --- An error that names the line of the shortcode which is being expanded.
  local function say_error(...)
    if surroundings.where then io.stderr:write("(at) " .. surroundings.where .. "\n") end
    say("E", ...)
  end

  local function quiet() end

  local function is_format(name)
    if name == "html" or name == "html:js" then return surroundings.html end
    return FORMAT == name or (FORMAT:match("^%a+")) == name
  end

  surroundings.include_text = {}
  -- Names of their own: a variable that a project sets hides a metadata field of the same name.
  local places = { ["in-header"] = "added-header", ["before-body"] = "added-before",
                   ["after-body"] = "added-after" }
  local function include_text(place, text)
    local key = places[place] or place
    surroundings.include_text[key] = surroundings.include_text[key] or {}
    table.insert(surroundings.include_text[key], text)
  end

  local function beside(path)
    if pandoc.path.is_absolute(path) then return path end
    return pandoc.path.join({ surroundings.script_folder or job.root, path })
  end

  -- A dependency's files are copied to site_libs/<name>; the tags point there.
  local function add_html_dependency(dependency)
    if not surroundings.html then return end
    local folder = "site_libs/" .. dependency.name .. (dependency.version and "-" .. dependency.version or "")
    local function copied(entry)
      local path = type(entry) == "table" and entry.path or entry
      local name = type(entry) == "table" and entry.name or pandoc.path.filename(path)
      local to = folder .. "/" .. name
      report.dependencies[to] = beside(path)
      return job.offset .. to
    end
    for _, entry in ipairs(dependency.stylesheets or {}) do
      include_text("in-header", '<link rel="stylesheet" href="' .. copied(entry) .. '">')
    end
    for _, entry in ipairs(dependency.scripts or {}) do
      local after = type(entry) == "table" and entry.afterBody
      include_text(after and "after-body" or "in-header", '<script src="' .. copied(entry) .. '"></script>')
    end
    for _, entry in ipairs(dependency.resources or {}) do copied(entry) end
    if dependency.head then include_text("in-header", dependency.head) end
  end

  local FLOATS = { Figure = "fig", Table = "tbl" }

  --- A numbered float; crossref.lua turns the Div into the format's markup.
  local function float_ref_target(spec)
    local caption = spec.caption_long
    local kind = FLOATS[spec.type]
    if not kind then
      say_error("quarto.FloatRefTarget of type '" .. tostring(spec.type) .. "': the built-in engine has Figure and Table")
      os.exit(1)
    end
    local inlines = caption and pandoc.utils.blocks_to_inlines(pandoc.Blocks(caption)) or pandoc.Inlines({})
    return pandoc.Div({
      pandoc.Div(pandoc.Blocks(spec.content)),
      pandoc.Plain(inlines),
    }, pandoc.Attr(spec.identifier or "", { "engine-float" }, { kind = kind }))
  end

  quarto = {
    version = pandoc.types.Version("1.6.0"),
    FloatRefTarget = float_ref_target,
    json = { encode = pandoc.json.encode, decode = function(text) return pandoc.json.decode(text, false) end },
    log = {
      error = say_error,
      warning = function(...) say("W", ...) end,
      output = function(...) say("I", ...) end,
      info = quiet, debug = quiet, trace = quiet,
    },
    project = { directory = job.root, offset = job.offset, profile = pandoc.List(job.profiles),
                output_directory = job.output },
    doc = {
      input_file = job.input, output_file = job.output_file, is_format = is_format, isFormat = is_format,
      include_text = include_text, add_html_dependency = add_html_dependency,
      addHtmlDependency = add_html_dependency,
      has_bootstrap = function() return false end, cite_method = function() return "citeproc" end,
    },
    utils = {
      resolve_path = beside,
      as_inlines = function(value) return pandoc.Inlines(value or {}) end,
      as_blocks = function(value) return pandoc.Blocks(value or {}) end,
      string_to_inlines = function(text) return pandoc.utils.blocks_to_inlines(pandoc.read(text).blocks) end,
      string_to_blocks = function(text) return pandoc.read(text).blocks end,
    },
    shortcode = {
      read_arg = function(args, n)
        local value = args[n or 1]
        return value and pandoc.utils.stringify(value)
      end,
    },
  }
end
