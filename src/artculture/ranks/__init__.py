"""One run over several devices: a process a device, called a rank."""
