"""One job on many items, in processes of this machine or of a Ray cluster."""
