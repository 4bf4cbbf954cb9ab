"""Live pictures for browsers: WebRTC sessions (WHEP) and JPEG. Knows nothing of HTTP."""
