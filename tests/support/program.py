"""A program that a test starts as a person does at a terminal, and what it has printed."""

import os
import signal
import subprocess
import threading


class Program:
    """A started command and what it has printed so far."""

    def __init__(self, command, folder, environment=None):
        self.lines = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    @property
    def text(self):
        return "".join(self.lines)

    def says(self, words):
        """Return how often the program has printed ``words``. It must still run."""
        assert self.process.poll() is None, self.text
        return self.text.count(words)

    def interrupt(self, number=signal.SIGINT):
        """Send a signal to the program alone, and return its exit status."""
        self.process.send_signal(number)
        return self.end()

    def stop(self):
        """Stop the program and those that it has started: make and chalice do."""
        os.killpg(self.process.pid, signal.SIGTERM)
        return self.end()

    def end(self):
        """Wait for the end and return the exit status."""
        status = self.process.wait(60)
        self._reader.join(10)
        self.process.stdout.close()
        return status
