"""mobsim, the Mob Simulator: a crowd that knows what each fan must have seen."""
