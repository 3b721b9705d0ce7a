"""Sources of live sound, and writers and actions for the words found in it."""
