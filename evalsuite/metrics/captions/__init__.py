"""The caption scores, equal to pycocoevalcap's."""
