"""Verb `pretrain`: visual tokenizer, masked prediction, contrastive tuning, grounding, health."""
