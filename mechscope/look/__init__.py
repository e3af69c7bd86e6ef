"""One prompt under the microscope: `mechscope look`. Importable without torch."""
