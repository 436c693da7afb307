"""Programs that measure; their figures stand beside the machine they were measured on."""
