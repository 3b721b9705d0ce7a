"""Sound in pieces becomes words in time: chunks, the gate, the stream, the spotter."""
