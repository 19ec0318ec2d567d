"""The way out of a sandbox to hosts that a package declares and a person or an operator allows.

There is no route out. A listening socket is made on the sandbox's own loopback and handed out, as a descriptor; a
process out here accepts on it, holds each request against the rules, looks names up itself and passes bytes on. Nothing
of it runs inside, or can be reached from there in another way.
"""
