"""ADE20K semantic segmentation (SceneParse150)."""
