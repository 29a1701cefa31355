"""mobsim, the Mob Simulator: a crowd that knows what each fan must have seen."""

from ngage.mob.world.fan import Fan

__all__ = ["Fan"]
