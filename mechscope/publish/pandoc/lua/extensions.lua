--- Loads the shortcodes and filters of `_extensions/*/` the way Quarto does.

return function(surroundings)
  local job = surroundings.job
  local M = { handlers = {} }

  --- Run a script of an extension: its own globals, and `require` finds the modules beside it.
  local function load_script(path)
    local folder = pandoc.path.directory(path)
    local beside = folder .. "/?.lua;"
    if not package.path:find(beside, 1, true) then package.path = beside .. package.path end
    surroundings.script_folder = folder
    local own = setmetatable({ PANDOC_SCRIPT_FILE = path }, { __index = _G })
    local chunk, message = loadfile(path, "bt", own)
    if not chunk then
      quarto.log.error(message)
      os.exit(1)
    end
    local result = chunk()
    return result == nil and own or result
  end

  for _, path in ipairs(job.shortcode_files) do
    for name, handle in pairs(load_script(path)) do
      if type(handle) == "function" then M.handlers[name] = { handle = handle, folder = pandoc.path.directory(path) } end
    end
  end

  --- Apply the filters in `paths`, each of which gives one filter or a list of them.
  function M.filter(doc, paths)
    for _, path in ipairs(paths) do
      local filters = load_script(path)
      for _, filter in ipairs(#filters > 0 and filters or { filters }) do
        local elements, whole = {}, {}
        for name, handle in pairs(filter) do
          local target = (name == "Meta" or name == "Pandoc" or name == "Doc") and whole or elements
          if type(handle) == "function" or name == "traverse" then target[name] = handle end
        end
        doc = doc:walk(elements):walk({ Meta = whole.Meta, Pandoc = whole.Pandoc or whole.Doc })
      end
    end
    return doc
  end

  return M
end
