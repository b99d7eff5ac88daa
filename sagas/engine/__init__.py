"""The engine of sagas. `decide` is pure; `runs` and `steps` are its rows; `cohorts` is the one module that performs."""
