"""Parts of the script that trains the demo model; torch is needed here and nowhere else."""
