# What every IPython kernel of the image does when it starts. It runs among the names of the person, so it leaves none.
__import__("atelier_skew").watch()
