"""The reviewer's desk: doubting what was found, and tracing it."""
