"""Networks as layer tables and as torch modules; nothing here knows genotypes or devices."""
