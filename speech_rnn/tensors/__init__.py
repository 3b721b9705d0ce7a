"""Small tensor functions that features, models and augmentation share."""
