"""The author's side of the course: from one source per lesson to the notebooks, and the proof that its checks work."""
