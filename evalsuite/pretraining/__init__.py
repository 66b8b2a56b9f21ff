"""Pretraining by masked data modelling: visual tokenizer, masked prediction, contrastive tuning."""
