"""What every compiler of models here shares: a child process that builds, its news, text facts, calibration text."""
