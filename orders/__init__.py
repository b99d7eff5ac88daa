"""The orders service: placing, confirming, cancelling, shipping, delivering and returning orders."""
