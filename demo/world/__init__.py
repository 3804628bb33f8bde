"""The drawn world: a seeded corpus in the formats of VidSTG and VidOR."""
