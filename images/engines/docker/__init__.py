"""Engine `docker`: here, on another machine, as a swarm; and the images it has."""
