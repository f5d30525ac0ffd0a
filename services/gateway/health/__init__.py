"""How the service is: `checks` asks the dependencies, `routes` answers in the shapes that clients documented."""
