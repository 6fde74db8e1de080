"""The Connections page, below `/ui/`: what people see of the servers, and how they steer them. Server-rendered HTML."""
