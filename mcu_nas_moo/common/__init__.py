"""What every part needs: files, names, errors, YAML; nothing here knows networks."""
