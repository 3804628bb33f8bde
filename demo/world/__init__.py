"""The drawn world: a synthetic, seeded corpus in the formats of VidSTG and VidOR."""
