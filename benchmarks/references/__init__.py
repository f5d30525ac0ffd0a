"""What the product is compared with in the same run: the same work with less, or as others do it."""
