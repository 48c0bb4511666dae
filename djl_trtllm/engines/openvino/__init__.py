"""OpenVINO GenAI on a CPU: compiling with optimum-intel, running in a child process."""
