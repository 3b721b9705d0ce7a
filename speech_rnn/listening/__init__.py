"""Sources of live sound, and writers and actions for detected words."""
