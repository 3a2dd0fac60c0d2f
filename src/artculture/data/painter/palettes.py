"""Palettes: named sets of pigments that several cultures share."""

from dataclasses import dataclass, fields, replace

from artculture.data.painter.easel import Colour, Dice, mix


@dataclass(frozen=True)
class Palette:
    """Pigments by what they are used for; `skin` is drawn a hand, not a palette."""

    ground: Colour
    light: Colour
    mid: Colour
    dark: Colour
    warm: Colour
    cool: Colour
    leaf: Colour
    accent: Colour
    sky: Colour
    glow: Colour
    skin: Colour = (206, 164, 132)


def _palette(pigments: str) -> Palette:
    return Palette(*((int(p[0:2], 16), int(p[2:4], 16), int(p[4:6], 16)) for p in pigments.split()))


PALETTES = {
    #                   ground light  mid    dark   warm   cool   leaf   accent sky    glow
    "umber":    _palette("5a422e e2ceaa 8c6844 241a16 9e462c 58646c 545430 c49646 8c948c d2bc8c"),
    "silver":   _palette("6e685c dcdcd0 90887a 2c2c2c 8e5c40 6c808c 626a4a b4a05c 98a8b2 d8d6c6"),
    "azure":    _palette("a89870 f0ead4 a89264 2e3230 b4563c 3c6ca0 5a7c46 d6aa48 5c92c4 dce4e0"),
    "rose":     _palette("c8b4a0 f6ead8 c69c84 54423c d08478 86a6b4 8a9c72 e0bc78 a4c0d0 f2dac8"),
    "gold":     _palette("c09a48 f0dea4 a07838 36261c b03a28 2a4a86 4c6438 d8b45a c8a450 e4c878"),
    "ink":      _palette("d8ccae eae2cc a09a8a 2e2c2a a06a4c 76807e 6c725e b43a2c d2c8ae e4dcc4"),
    "silk":     _palette("a4865a d8c498 8a7048 322820 a44a30 4e7276 5a7050 c85a3c a88c60 c6ac7a"),
    "jewel":    _palette("c8873a f2e4c0 b06a34 30242a c03a2a 26648a 2f7a4e e6b83c 6aa2b8 eccb80"),
    "black":    _palette("2e2622 e6d6b8 6a523c 14100e 8a3a28 3c4648 3e4028 b88c3e 3a3c40 7a6448"),
    "dawn":     _palette("70583e f6e2b4 9a7450 2a2426 c2643a 5a7c94 5c6436 e8a850 7e9cb8 f4c07c"),
    "forest":   _palette("404a34 d6d6b0 74744e 1c2420 8c5a34 40606a 3a5636 b89a48 6a8c9a c8ccaa"),
    "bright":   _palette("b8a884 f4f0de b094a0 40385a d2705a 6484bc 7ca25a ecc454 8ab4dc f0dccc"),
}  # fmt: skip


def mixed(name: str, plan: Dice) -> Palette:
    """The palette as one hand mixes it: each pigment off by a little, all of them leaning one way."""
    lean = plan.rng.integers(-13, 14, 3)
    skin = mix((232, 196, 166), (120, 82, 60), plan.between(0, 1))
    palette = replace(PALETTES[name], skin=skin)
    names = [field.name for field in fields(Palette)]
    stray = plan.rng.integers(-14, 15, (len(names), 3)) + lean
    pigments = {}
    for role, by in zip(names, stray.tolist(), strict=True):
        r, g, b = (min(255, max(0, level + step)) for level, step in zip(getattr(palette, role), by, strict=True))
        pigments[role] = (r, g, b)
    return Palette(**pigments)
