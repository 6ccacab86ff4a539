"""The paper's claims: what each says, what was measured of it, the verdict."""
