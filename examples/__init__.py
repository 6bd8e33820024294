"""The bundled incident, what makes it, and the demos that show it."""
