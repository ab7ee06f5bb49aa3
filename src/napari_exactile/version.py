"""The version of the package, for whoever has it: it need not be installed; and those of what it writes."""

__version__ = "0.1.0.dev0"

# What is written in another way, so that earlier versions cannot read it, gets the next number.
STORE_FORMAT = 3
REPORT_FORMAT = 1
TASK_FORMAT = 1
SETTINGS_FORMAT = 1
