"""Small functions on tensors that features, models and augmentation share."""
