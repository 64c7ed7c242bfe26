"""Several models on several cameras: one configuration, fair shares of the device, a cascade on crops."""
