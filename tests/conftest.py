"""What every test shares: hypothesis profiles, chosen with HYPOTHESIS_PROFILE."""

import os

from hypothesis import HealthCheck, settings

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("default", deadline=None, suppress_health_check=QUIET)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("short", settings.get_profile("ci"), max_examples=25)
settings.register_profile("long", settings.get_profile("default"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
