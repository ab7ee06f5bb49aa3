"""From a module to the graph of its operators. Knows no rules."""
