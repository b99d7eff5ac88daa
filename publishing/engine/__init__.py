"""Publishing the log: cursors, records, held streams, and the process that moves them on."""
