"""The Studio: a web console over an open keep. It can do nothing that commands cannot, and shows why everything is as it is."""

from .app import make_login_link, make_studio, sign_login_link

__all__ = ["make_login_link", "make_studio", "sign_login_link"]
